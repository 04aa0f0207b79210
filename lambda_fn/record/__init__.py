"""The official forecast of each day: made once, kept before its outcome is known, and scored when that comes."""
