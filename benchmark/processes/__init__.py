"""A process's life: by what others know it, what ends it, and what it leaves behind if killed."""
