"""The trained model of a run before words and pictures that somebody sends."""

from rushes.runs.door.find import find_door

doors_of = find_door
