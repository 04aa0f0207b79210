"""The service under load and for long: `make soak`; short forms are in tests/serving/test_load.py."""
