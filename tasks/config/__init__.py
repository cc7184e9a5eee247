"""A pipeline's folder: what its YAML may say, section by section."""
