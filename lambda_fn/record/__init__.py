"""The official forecast of each day: issued once, stored before its outcome is known, and scored afterwards."""
