"""The configuration of a binhost travels as a profile, inside its releases; the configuration of a client stays its owner's."""
