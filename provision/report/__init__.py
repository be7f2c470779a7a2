"""Values to text: tables for people, documents for programs."""
