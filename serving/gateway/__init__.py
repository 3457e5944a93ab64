"""The gateway: an OpenAI-compatible front for all candidates, which asks the endpoint which one answers `auto`."""
