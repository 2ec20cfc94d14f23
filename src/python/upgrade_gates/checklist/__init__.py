"""The lines of gates 0 to 7: what each asks for, who does it, and what shows that it is done."""
