"""How much real data a model needs: measured in one generation, answered by the master
rule."""
