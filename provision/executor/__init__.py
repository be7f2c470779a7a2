"""The one loop that carries a Plan out, and what it looks at before and says after."""
