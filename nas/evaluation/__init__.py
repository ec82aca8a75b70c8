"""How good a trained network is: top-1 and top-5 by single, ten, dense or multi-scale views, alone or averaged."""
