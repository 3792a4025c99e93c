"""The pages for people: rendering, navigation, filters and texts; a router a noun, each with its templates."""
