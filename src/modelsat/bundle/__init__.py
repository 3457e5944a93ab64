"""The one deployable thing, and who is champion."""
