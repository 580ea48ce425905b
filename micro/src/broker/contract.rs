//! What every broker must do. A suite that each implementation runs in its tests.
