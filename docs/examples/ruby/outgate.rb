#!/usr/bin/env ruby
# frozen_string_literal: true

# Enqueue to outgate from Ruby, with only the redis gem.
#
# The class is the client: copy it. The program below it tries every answer of
# docs/protocol.md, and prints a line for each.

require "digest"
require "json"
require "redis"
require "securerandom"

class Outgate
  # The envelope was not admitted, and nothing was written.
  class Refused < StandardError
    attr_reader :code, :text

    def initialize(reply)
      super
      @code, _, @text = reply.partition(" ")
    end
  end

  attr_reader :redis, :loads

  def initialize(url)
    # If a client library repeats a command whose answer was lost, it may admit an
    # envelope twice. So there are no retries here: enqueue makes them.
    @redis = Redis.new(url: url, reconnect_attempts: 0)
    @loads = 0 # how often Redis did not have the script
  end

  # Read how to enqueue. Needed once, and again after NOSCRIPT.
  def discover
    @api = @redis.hgetall("outgate:api")
    raise Refused, "OUTGATE_NOT_READY no gateway has configured this Redis yet" if @api.empty?
    raise "this client speaks version 1, the gateway #{@api['version']}" if @api["version"] != "1"

    @api
  end

  def api
    @api || discover
  end

  # Return the number of the envelope's partition.
  def partition(envelope)
    Outgate.partition(api, envelope)
  end

  def queue(index)
    format("%s-%03d", api["namespace"], index)
  end

  # Admit an envelope, and return its receipt. Raises Refused.
  def enqueue(envelope, queue = nil)
    queue ||= queue(partition(envelope))
    lost = 0
    begin
      JSON.parse(@redis.evalsha(api["enqueue"], ["{#{queue}}"], [JSON.generate(envelope)]))
    rescue Redis::CommandError => e
      raise Refused, e.message if e.message.start_with?("OUTGATE_")
      raise unless e.message.start_with?("NOSCRIPT")

      # Redis was restarted. A worker will load the script within a second or two, but
      # we need it now.
      @redis.script(:load, discover["enqueue_source"])
      @loads += 1
      retry
    rescue Redis::BaseConnectionError
      # It may have been admitted. With a key it is safe to try again.
      raise unless envelope[:idempotency_key] && (lost += 1) <= 3

      retry
    end
  end

  # Return the outcome of an envelope, or nil if it has none yet.
  def outcome(receipt)
    found = @redis.get("outgate:{#{queue(receipt['partition'])}}:outcome:#{receipt['id']}")
    found && JSON.parse(found)
  end

  # Enqueue an envelope, and wait for its outcome.
  def deliver(envelope, timeout = 30)
    channel = "outgate:{#{queue(partition(envelope))}}:outcomes"
    subscriber = @redis.dup
    receipt = found = nil
    deadline = now + timeout
    begin
      subscriber.subscribe_with_timeout(1, channel) do |on|
        # Enqueue after the subscription, so that no outcome is missed.
        on.subscribe do
          receipt ||= enqueue(envelope)
          subscriber.unsubscribe if (found = receipt["outcome"])
        end
        # A partition publishes the outcomes of all its rooms.
        on.message do |_, text|
          outcome = JSON.parse(text)
          found = outcome if outcome["id"] == receipt["id"]
          subscriber.unsubscribe if found || now > deadline
        end
      end
    rescue Redis::BaseConnectionError
      # There was a second of silence, or the connection is gone: the outcome may have
      # been published in the meantime.
      raise unless receipt

      found = outcome(receipt)
      retry if !found && now < deadline
    end
    found || raise("no outcome of #{receipt['id']}")
  ensure
    subscriber&.close
  end

  # The partition is a hash of the routing key, modulo the number of partitions.
  def self.partition(api, envelope)
    key = "#{envelope[:bridge_id]}:#{envelope[:external_room_id]}"
    thread = envelope.dig(:opts, :thread_id).to_s
    if api["hash_key"] == "bridge"
      key = envelope[:bridge_id]
    elsif api["hash_key"] == "thread" && !thread.empty?
      key += ":#{thread}"
    end
    digest =
      if api["hash"] == "sha1"
        Digest::SHA1.digest(key).unpack1("N")
      else # fnv1a
        key.each_byte.inject(2_166_136_261) { |hash, byte| ((hash ^ byte) * 16_777_619) % 2**32 }
      end
    digest % api["partitions"].to_i
  end

  private

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

# The program begins here.

def say(step, text)
  puts step.ljust(12) + text
end

def refusal
  "not refused: #{yield['id']}"
rescue Outgate::Refused => e
  e.code
end

def vectors
  cases = JSON.parse(File.read(File.join(__dir__, "../../../partition/testdata/vectors.json"), encoding: "UTF-8"))
  right = cases.count do |c|
    room = { bridge_id: c["bridge_id"], external_room_id: c["external_room_id"], opts: { thread_id: c["thread_id"] } }
    Outgate.partition(c, room) == c["index"]
  end
  say "vectors", "#{right} of #{cases.size} right"
end

def envelope(text, more = {})
  bridge = ENV.fetch("OUTGATE_BRIDGE", "sandbox")
  { operation: "send", bridge_id: bridge, external_room_id: "lobby", payload: text }.merge(more)
end

def show(step, outcome)
  say step, "#{outcome['status']}: message #{outcome['message_id']} after #{outcome['attempts']} attempt"
end

def tour(gate)
  api = gate.discover
  say "discovery", format("version %<version>s, %<partitions>s partitions of %<namespace>s, %<hash>s of the %<hash_key>s",
                          api.transform_keys(&:to_sym))
  vectors

  keyed = envelope("hello", idempotency_key: "hello-#{SecureRandom.uuid}")
  first = gate.enqueue(keyed)
  say "send", "#{first['status']} at position #{first['position']}, pressure #{first['pressure_level']}"
  sleep 0.02 until (outcome = gate.outcome(first))
  show "outcome", outcome
  show "edit", gate.deliver(envelope("hello, world", operation: "edit", external_message_id: outcome["message_id"]))

  again = gate.enqueue(keyed)
  same = again["id"] == first["id"] ? "the same id" : "another id"
  say "duplicate", "#{again['status']}: #{same}, its outcome is #{again['outcome']['status']}"
  say("mismatch", refusal { gate.enqueue(keyed.merge(payload: "something else")) })
  say("too large", refusal { gate.enqueue(envelope("x" * 256 * 1024)) })

  begin
    gate.enqueue(envelope(""))
  rescue Outgate::Refused => e
    say "invalid", e.message
  end
  right = gate.partition(keyed)
  begin
    gate.enqueue(envelope("lost"), gate.queue((right + 1) % api["partitions"].to_i))
  rescue Outgate::Refused => e
    say "wrong", e.message
    receipt = gate.enqueue(envelope("found"), e.text.delete_prefix("want "))
    say "right", receipt["partition"] == right ? receipt["status"] : "elsewhere"
  end

  failed = gate.deliver(envelope("no", opts: { metadata: { sandbox: { fail: "terminal" } } }))
  say "failure", "#{failed['status']}: #{failed['reason']}, #{failed['category']}, " \
                 "provider status #{failed['provider']['status']}"

  begin
    receipt = gate.redis.call("FCALL", "outgate_enqueue", 1, "{#{gate.queue(right)}}", JSON.generate(keyed))
    say "function", JSON.parse(receipt)["status"]
  rescue Redis::CommandError
    say "function", "not on this Redis"
  end
end

# Fill a small gateway that has no worker: see the README.
def pressure(gate)
  room = { operation: "send", bridge_id: "small", external_room_id: "waiting", payload: "hello" }
  gate.discover
  say "restart", "restart the small Redis now, then press Enter"
  $stdin.gets
  receipt = gate.enqueue(room.merge(idempotency_key: SecureRandom.uuid))
  say "restart", "#{gate.loads.zero? ? 'the script was there' : 'NOSCRIPT'}, then #{receipt['status']}"

  levels = []
  level = receipt["pressure_level"]
  until level == "shed"
    receipt = gate.enqueue(room)
    next if receipt["pressure_level"] == level

    level = receipt["pressure_level"]
    levels << "#{level} at #{receipt['depth']}"
  end
  say "pressure", levels.join(", ")
  say("shed", refusal { gate.enqueue(room.merge(priority: "low")) })
  gate.enqueue(room)
  say("full", refusal { gate.enqueue(room) })
end

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  tour(Outgate.new(ENV.fetch("OUTGATE_REDIS_URL", "redis://127.0.0.1:6390/0")))
  pressure(Outgate.new(ENV["OUTGATE_SMALL_REDIS_URL"])) if ENV["OUTGATE_SMALL_REDIS_URL"]
end
