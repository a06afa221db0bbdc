package handlers

// Sender is sender.
var Sender = sender
