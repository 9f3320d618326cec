"""How two encoders are taught which picture and which words belong together."""
