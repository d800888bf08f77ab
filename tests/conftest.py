"""For all tests: how long one may take says nothing on a machine that others use as well."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
