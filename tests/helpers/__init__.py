"""What tests share; loaded as pytest plugins by the conftest at the root."""
