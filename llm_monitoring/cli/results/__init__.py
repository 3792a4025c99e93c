"""What was measured: metrics, reports, answers, exports, reanalysis."""
