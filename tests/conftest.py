"""Makes the helper modules beside this file importable everywhere; property tests are never timed."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
