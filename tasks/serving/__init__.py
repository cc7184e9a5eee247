"""The client side of the gateway: its operate port, and its log in the lake."""
