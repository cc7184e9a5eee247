"""`autopilot incident`: list incidents, show one, and explain what the system decided."""
