"""nbval runs the notebooks at their committed parameters, where every claim has to hold; see `idnb.checks.claim`."""

import os

os.environ["IDNB_CLAIMS"] = "strict"  # kernels inherit it
