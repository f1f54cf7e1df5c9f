"""The one exception that means: something the user gave us is wrong."""


class InputError(ValueError):
    """Bad input: the message names the file, the record and what to do.

    Command-line tools print the message alone, without a traceback, and exit
    with status 2.
    """
