"""Geography: nested levels of zones and the crosswalks that say which lies in which."""
