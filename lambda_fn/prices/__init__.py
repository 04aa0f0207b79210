"""Price files of the store, the European Central Bank's rates, and the days on which there are prices."""
