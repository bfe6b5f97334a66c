"""The tap as Meltano Hub lists it."""
