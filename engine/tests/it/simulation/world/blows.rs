//! Events that strike a transfer from outside, and the user's answers to failures.

use std::time::Duration;

use wstp_engine::{Command, Config, Problem, RangeSet, SourceId, Transfer};
use wstp_protocol::BLOCK_SIZE;

use super::{Blow, Event, World};
use crate::simulation::content::Edition;
use crate::simulation::disk::{Crash, Damage};

impl World {
    pub(super) fn blow(&mut self, blow: Blow) {
        match blow {
            Blow::Crash(crash) => self.crash(crash),
            Blow::DamagedCrash(crash, damage) => {
                self.check_verified();
                self.stop(crash);
                self.damage(damage);
                self.restart();
            }
            // A shorter file would be noticed at the next write.
            Blow::Damage(Damage::Cut(_)) => {}
            Blow::Damage(damage) => {
                let unchecked: RangeSet = self.transfer.unchecked().collect();
                self.disk.damage(damage, &unchecked);
            }
            Blow::RestartServers { down } => self.restart_servers(down),
            Blow::ChangeFile(edition) => self.change_file(edition),
            Blow::Pause => {
                self.wanted_paused = true;
                self.transfer.handle_command(self.now, Command::Pause);
            }
            Blow::Resume => {
                self.wanted_paused = false;
                self.transfer.handle_command(self.now, Command::Resume);
            }
            Blow::Connections(connections) => {
                self.connections = connections;
                self.transfer
                    .handle_command(self.now, Command::SetConnections(self.scenario.connections_of(connections)));
            }
            Blow::Budget(bytes) => {
                self.budget = bytes;
                self.transfer.handle_command(self.now, Command::SetMemoryBudget(bytes));
            }
            Blow::Order(order) => self.transfer.handle_command(self.now, Command::SetOrder(order)),
            Blow::AddSource(number) => {
                let source = Self::source(&self.scenario, number);
                self.transfer.handle_command(self.now, Command::AddSource(source));
            }
            Blow::RemoveSource(number) => {
                self.transfer.handle_command(self.now, Command::RemoveSource(SourceId(number)));
            }
            Blow::ServerDies(server) => {
                self.dead.push(server);
                let ids: Vec<_> =
                    self.wires.iter().filter(|(_, wire)| wire.server == server).map(|(id, _)| *id).collect();
                for id in ids {
                    // Those that are still open may be asked for what was lost.
                    self.perform_outputs();
                    self.closed(id);
                }
            }
            Blow::RateLimit(rate) => {
                self.rate_limit = rate;
                self.transfer.handle_command(self.now, Command::SetRateLimit(rate));
            }
            Blow::DiskFull { after } => self.disk.full_after = Some(after),
        }
    }

    fn restart_servers(&mut self, down: Duration) {
        self.down = true;
        self.schedule(down, Event::ServersUp);
        for number in 0..self.servers.len() {
            for id in self.servers[number].restart(self.now) {
                self.schedule(Duration::ZERO, Event::Closed(id));
            }
            let after = self.servers[number].root_at - self.now;
            self.schedule(after, Event::RootReady(number));
        }
    }

    pub fn change_file(&mut self, edition: Edition) {
        for number in 0..self.servers.len() {
            for (id, message) in self.servers[number].change(self.now, edition) {
                self.transmit(id, &message);
            }
            let after = self.servers[number].root_at - self.now;
            self.schedule(after, Event::RootReady(number));
        }
    }

    /// The program dies and is started again.
    pub fn crash(&mut self, crash: Crash) {
        self.check_verified();
        self.stop(crash);
        self.restart();
    }

    fn stop(&mut self, crash: Crash) {
        let under_way = self.stores.pop_front();
        self.disk.crash(crash, under_way, &mut self.random);
    }

    /// This happens to what is stored, while the program does not run.
    pub fn damage(&mut self, damage: Damage) {
        let all = std::iter::once(0..self.disk.data().len().div_ceil(BLOCK_SIZE as usize) as u64).collect();
        self.disk.damage(damage, &all);
    }

    /// The program is started on what is on disk.
    pub fn restart(&mut self) {
        for id in std::mem::take(&mut self.wires).into_keys() {
            self.servers.iter_mut().for_each(|server| server.closed(id));
        }
        self.agenda.retain(|event| matches!(event, Event::Blow(_) | Event::RootReady(_) | Event::ServersUp));
        self.stores.clear();
        self.proved = RangeSet::new();
        let recovered = self.disk.open();
        self.check_recovered(&recovered);
        let config = Config {
            connections: self.scenario.connections_of(self.connections),
            memory_budget: self.budget,
            rate_limit: self.rate_limit,
            ..Self::config(&self.scenario, self.random.number())
        };
        self.transfer = Transfer::resume(config, recovered, self.now);
        self.starts += 1;
        self.wanted_paused = false;
    }

    /// The user does what the failure asks for; false if nothing helps.
    pub(super) fn recover(&mut self) -> bool {
        let problem = self.transfer.progress().problem.expect("a failure has a reason");
        self.failures.push(problem.clone());
        let helps = match problem {
            Problem::Storage(_) => self.disk.full_after.take().is_some(),
            Problem::Changed => self.found_changed() < self.changes() + self.starts as usize,
            _ => false,
        };
        if helps {
            self.transfer.handle_command(self.now, Command::Resume);
            self.perform_outputs();
        }
        helps
    }

    /// How often the transfer said that the file changed: once a change, unless it dies before that is on record.
    fn found_changed(&self) -> usize {
        self.failures.iter().filter(|problem| **problem == Problem::Changed).count()
    }

    fn changes(&self) -> usize {
        self.scenario.blows.iter().filter(|(_, blow)| matches!(blow, Blow::ChangeFile(_))).count()
    }
}
