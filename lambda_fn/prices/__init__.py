"""Price files of the store, the European Central Bank's rates, and the business days of price sources."""
