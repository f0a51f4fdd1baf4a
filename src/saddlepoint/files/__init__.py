"""Files written whole or not at all, their names, and disks that are full."""
