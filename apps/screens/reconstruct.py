"""x"""

from frame import head

head("reconstruct", "x")
