//! What is measured, and in which unit.

/// What a figure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// CPU time of client and server.
    CpuPerCall,
    ClientCpuPerCall,
    ServerCpuPerCall,
    P50,
    P99,
    /// By the clock.
    CallsPerSecond,
    /// By the CPU time of both sides.
    CallsPerCpuSecond,
    /// Start of a server's process to its listening socket.
    Start,
    /// Start of a service's process to its record in the registry.
    Registered,
    IdleMemory,
    /// Of a process that holds no more than the cell's name says.
    Resident,
    /// Resident memory that one idle connection adds, on either side.
    ClientConnection,
    ServerConnection,
    Packages,
    ColdBuild,
    /// Of a program without symbols.
    ProgramSize,
    PerPick,
    /// In user space, by callgrind.
    ClientInstructions,
    ServerInstructions,
}

impl Measure {
    /// Its name and its unit.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::CpuPerCall => ("cpu_per_call", "us"),
            Self::ClientCpuPerCall => ("client_cpu_per_call", "us"),
            Self::ServerCpuPerCall => ("server_cpu_per_call", "us"),
            Self::P50 => ("p50", "us"),
            Self::P99 => ("p99", "us"),
            Self::CallsPerSecond => ("calls_per_second", "1/s"),
            Self::CallsPerCpuSecond => ("messages_per_cpu_second", "1/s"),
            Self::Start => ("start", "ms"),
            Self::Registered => ("start_to_registered", "ms"),
            Self::IdleMemory => ("idle_memory", "MiB"),
            Self::Resident => ("resident_memory", "MiB"),
            Self::ClientConnection => ("client_memory_per_connection", "KiB"),
            Self::ServerConnection => ("server_memory_per_connection", "KiB"),
            Self::Packages => ("packages", "1"),
            Self::ColdBuild => ("cold_build", "s"),
            Self::ProgramSize => ("program_size", "MB"),
            Self::PerPick => ("per_pick", "ns"),
            Self::ClientInstructions => ("client_instructions_per_call", "1"),
            Self::ServerInstructions => ("server_instructions_per_call", "1"),
        }
    }
}
