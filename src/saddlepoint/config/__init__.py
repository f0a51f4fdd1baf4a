"""Settings before they become objects: as they are typed, found, checked and refused."""
