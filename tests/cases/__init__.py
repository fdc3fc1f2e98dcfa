"""Cases that tests of several rooms draw from."""
