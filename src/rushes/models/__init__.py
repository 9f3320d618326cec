"""Models: build, adapt, ask, save."""

import logging

# PEFT imports bitsandbytes where it is installed, which then complains to every user that kernels from a hub, that
# nobody asked for and rushes would not run, are missing.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
