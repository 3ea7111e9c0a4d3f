"""Does everything work here? What `jupyter kfp doctor` looks at; nothing is changed by looking.

`finding` says what a check finds, the other modules hold the checks, `everything` runs them.
"""
