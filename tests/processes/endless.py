"""A module whose import takes for ever, and hears no signal that is withheld."""

import os
import signal
import sys

os.kill(os.getpid(), signal.SIGINT)
sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    pass
