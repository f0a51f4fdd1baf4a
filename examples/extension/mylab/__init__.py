"""An extension of saddlepoint. Each class has a yaml file in conf/, whose name is what is typed: loss=exponential."""
