"""A program that runs in the user's own interpreter and finds out what parameters a script takes.

`submitting.interview` starts it. It runs the script up to the moment when it reads its command line, writes down what
its parser knows, and ends at once: nothing after that is ever run. Its files need the standard library of Python 3.8
alone and import nothing of ours but each other by their bare names: they are run where Runyard is not installed.
"""
