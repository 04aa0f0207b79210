"""The version of the contract and the bounds of what it describes: also for who reads records without its classes."""

CONTRACT_VERSION = "1"
MAX_GENERATION = 99_999_999
MAX_HORIZON = 60  # business days
MAX_LEVELS = 101
NEEDED_LEVELS = (0.025, 0.5, 0.975)
