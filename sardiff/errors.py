"""What sardiff says when it cannot go on."""

__all__ = ["PriorError", "SardiffError", "SettingsError"]


class SardiffError(Exception):
    """Something a user can mend; the message is one sentence that says what was found and what to do."""


class SettingsError(SardiffError):
    """A setting, or a combination of settings, that cannot be honoured."""


class PriorError(SardiffError):
    """Weights that cannot be loaded, or do not fit what they are asked to do."""
