"""A cfg's network as ./darknet reads it, for scripts: layers with their options, shapes and parameters."""
