"""Makes archives of image folders, and looks for what is wrong with a folder before anybody trains on it. Imports no
torch."""
