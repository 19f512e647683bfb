//! The folders that the user went through, as a browser keeps pages. Pure.

/// Steps that are kept either way.
const MOST: usize = 100;

/// The way here, and the way back from where the user turned.
#[derive(Clone, Debug)]
pub struct Trail<T> {
    back: Vec<T>,
    here: Option<T>,
    forward: Vec<T>,
}

impl<T> Default for Trail<T> {
    fn default() -> Self {
        Self { back: Vec::new(), here: None, forward: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Trail<T> {
    /// The user goes somewhere. A retry of the same step is no new one.
    pub fn visit(&mut self, place: T) {
        if self.here.as_ref() == Some(&place) {
            return;
        }
        self.back.extend(self.here.replace(place));
        self.forward.clear();
        let surplus = self.back.len().saturating_sub(MOST);
        self.back.drain(..surplus);
    }

    /// Steps back, if there is a step behind.
    pub fn go_back(&mut self) -> Option<T> {
        let place = self.back.pop()?;
        self.forward.extend(self.here.replace(place.clone()));
        Some(place)
    }

    /// Whether there is a step behind, and one before.
    pub fn leads(&self) -> (bool, bool) {
        (!self.back.is_empty(), !self.forward.is_empty())
    }

    /// Steps forward again, if the user stepped back.
    pub fn go_forward(&mut self) -> Option<T> {
        let place = self.forward.pop()?;
        self.back.extend(self.here.replace(place.clone()));
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forward_go_the_way_one_came() {
        let mut trail = Trail::default();
        assert_eq!(trail.go_back(), None);
        for place in [1, 2, 2, 3] {
            trail.visit(place);
        }
        assert_eq!((trail.go_back(), trail.go_back(), trail.go_back()), (Some(2), Some(1), None));
        assert_eq!(trail.leads(), (false, true));
        assert_eq!(trail.go_forward(), Some(2));
        trail.visit(9);
        assert_eq!((trail.go_forward(), trail.go_back()), (None, Some(2)));
    }

    #[test]
    fn a_long_way_is_bounded() {
        let mut trail = Trail::default();
        (0..1000).for_each(|place| trail.visit(place));
        let steps = std::iter::from_fn(|| trail.go_back()).count();
        assert_eq!(steps, MOST);
    }
}
