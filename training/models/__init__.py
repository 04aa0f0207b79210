"""The model families, their features and their volatility heads.

What a family is, its name and its columns, is read by commands that fit nothing. So a library that only a fit needs is
imported in the function that fits: those of arima, linear_regression and the heads together take two seconds.
"""
