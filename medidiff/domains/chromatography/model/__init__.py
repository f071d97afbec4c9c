"""Column, gas, flow, oven, analytes and injection: frozen, validated objects in SI units."""
