"""The build service that clients ask: who may request which builds, the stored requests, and the jobs made from them."""
