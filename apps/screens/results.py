"""x"""

from frame import head

head("results", "x")
