"""What a price may be: in a price file, in a request, and from one day to the next."""

MAX_JUMP = 0.2  # a day's change of 20 %: beyond it is a faulty price, as in training
LOWEST, HIGHEST = 0.001, 10_000_000.0  # prices of any pair in its usual quotation; answers have six decimals
