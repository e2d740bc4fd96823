-- Member $1 ends by itself: what it began and did not finish has killed nobody.
DELETE FROM postbus_inbox.in_hand WHERE member = $1
