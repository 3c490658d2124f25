/* Made by sqs_golden.py: requests as botocore writes them, answers that it reads, MD5s apart from ours. */
/* clang-format off */
static const struct golden_request golden_requests[] = {
    {AMP_SQS_ADD_PERMISSION,
     "AmazonSQS.AddPermission",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Label\": \"l\", \"AWSAccountIds\": [\"1\", \"2\"], \"Actions\": [\"SendMessage\"]}",
     "Action=AddPermission&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&Label=l&AWSAccountId.1=1&AWSAccountId.2=2&ActionName.1=SendMessage",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_CANCEL_MESSAGE_MOVE_TASK,
     "AmazonSQS.CancelMessageMoveTask",
     "{\"TaskHandle\": \"aGFuZGxl==\"}",
     "Action=CancelMessageMoveTask&Version=2012-11-05&TaskHandle=aGFuZGxl%3D%3D",
     "TaskHandle=aGFuZGxl==;"},
    {AMP_SQS_CHANGE_MESSAGE_VISIBILITY,
     "AmazonSQS.ChangeMessageVisibility",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"ReceiptHandle\": \"r/+=\", \"VisibilityTimeout\": 0}",
     "Action=ChangeMessageVisibility&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&ReceiptHandle=r%2F%2B%3D&VisibilityTimeout=0",
     "QueueUrl=https://localhost:8443/000000000000/payments;ReceiptHandle=r/+=;VisibilityTimeout=0;"},
    {AMP_SQS_CHANGE_MESSAGE_VISIBILITY_BATCH,
     "AmazonSQS.ChangeMessageVisibilityBatch",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Entries\": [{\"Id\": \"a\", \"ReceiptHandle\": \"r1\", \"VisibilityTimeout\": 43200}, {\"Id\": \"b\", \"ReceiptHandle\": \"r2\"}]}",
     "Action=ChangeMessageVisibilityBatch&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&ChangeMessageVisibilityBatchRequestEntry.1.Id=a&ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle=r1&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=43200&ChangeMessageVisibilityBatchRequestEntry.2.Id=b&ChangeMessageVisibilityBatchRequestEntry.2.ReceiptHandle=r2",
     "QueueUrl=https://localhost:8443/000000000000/payments;Entries[Id=a;ReceiptHandle=r1;VisibilityTimeout=43200;|Id=b;ReceiptHandle=r2;|]"},
    {AMP_SQS_CREATE_QUEUE,
     "AmazonSQS.CreateQueue",
     "{\"QueueName\": \"orders.fifo\", \"Attributes\": {\"FifoQueue\": \"true\", \"DelaySeconds\": \"0\", \"RedrivePolicy\": \"{\\\"deadLetterTargetArn\\\": \\\"arn:aws:sqs:us-east-1:000000000000:dead.fifo\\\", \\\"maxReceiveCount\\\": 3}\"}, \"tags\": {\"ampoule:ttl-ms\": \"1500\", \"team\": \"\"}}",
     "Action=CreateQueue&Version=2012-11-05&QueueName=orders.fifo&Attribute.1.Name=FifoQueue&Attribute.1.Value=true&Attribute.2.Name=DelaySeconds&Attribute.2.Value=0&Attribute.3.Name=RedrivePolicy&Attribute.3.Value=%7B%22deadLetterTargetArn%22%3A+%22arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Adead.fifo%22%2C+%22maxReceiveCount%22%3A+3%7D&Tag.1.Key=ampoule%3Attl-ms&Tag.1.Value=1500&Tag.2.Key=team&Tag.2.Value=",
     "QueueName=orders.fifo;Attributes{FifoQueue=true,DelaySeconds=0,RedrivePolicy={\"deadLetterTargetArn\": \"arn:aws:sqs:us-east-1:000000000000:dead.fifo\", \"maxReceiveCount\": 3},}Tags{ampoule:ttl-ms=1500,team=,}"},
    {AMP_SQS_CREATE_QUEUE,
     "AmazonSQS.CreateQueue",
     "{\"QueueName\": \"plain\"}",
     "Action=CreateQueue&Version=2012-11-05&QueueName=plain",
     "QueueName=plain;"},
    {AMP_SQS_DELETE_MESSAGE,
     "AmazonSQS.DeleteMessage",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"ReceiptHandle\": \"AQEB+/==\"}",
     "Action=DeleteMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&ReceiptHandle=AQEB%2B%2F%3D%3D",
     "QueueUrl=https://localhost:8443/000000000000/payments;ReceiptHandle=AQEB+/==;"},
    {AMP_SQS_DELETE_MESSAGE_BATCH,
     "AmazonSQS.DeleteMessageBatch",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Entries\": [{\"Id\": \"1\", \"ReceiptHandle\": \"r1\"}, {\"Id\": \"2\", \"ReceiptHandle\": \"r2\"}, {\"Id\": \"3\", \"ReceiptHandle\": \"r3\"}, {\"Id\": \"4\", \"ReceiptHandle\": \"r4\"}, {\"Id\": \"5\", \"ReceiptHandle\": \"r5\"}, {\"Id\": \"6\", \"ReceiptHandle\": \"r6\"}, {\"Id\": \"7\", \"ReceiptHandle\": \"r7\"}, {\"Id\": \"8\", \"ReceiptHandle\": \"r8\"}, {\"Id\": \"9\", \"ReceiptHandle\": \"r9\"}, {\"Id\": \"10\", \"ReceiptHandle\": \"r10\"}]}",
     "Action=DeleteMessageBatch&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&DeleteMessageBatchRequestEntry.1.Id=1&DeleteMessageBatchRequestEntry.1.ReceiptHandle=r1&DeleteMessageBatchRequestEntry.2.Id=2&DeleteMessageBatchRequestEntry.2.ReceiptHandle=r2&DeleteMessageBatchRequestEntry.3.Id=3&DeleteMessageBatchRequestEntry.3.ReceiptHandle=r3&DeleteMessageBatchRequestEntry.4.Id=4&DeleteMessageBatchRequestEntry.4.ReceiptHandle=r4&DeleteMessageBatchRequestEntry.5.Id=5&DeleteMessageBatchRequestEntry.5.ReceiptHandle=r5&DeleteMessageBatchRequestEntry.6.Id=6&DeleteMessageBatchRequestEntry.6.ReceiptHandle=r6&DeleteMessageBatchRequestEntry.7.Id=7&DeleteMessageBatchRequestEntry.7.ReceiptHandle=r7&DeleteMessageBatchRequestEntry.8.Id=8&DeleteMessageBatchRequestEntry.8.ReceiptHandle=r8&DeleteMessageBatchRequestEntry.9.Id=9&DeleteMessageBatchRequestEntry.9.ReceiptHandle=r9&DeleteMessageBatchRequestEntry.10.Id=10&DeleteMessageBatchRequestEntry.10.ReceiptHandle=r10",
     "QueueUrl=https://localhost:8443/000000000000/payments;Entries[Id=1;ReceiptHandle=r1;|Id=2;ReceiptHandle=r2;|Id=3;ReceiptHandle=r3;|Id=4;ReceiptHandle=r4;|Id=5;ReceiptHandle=r5;|Id=6;ReceiptHandle=r6;|Id=7;ReceiptHandle=r7;|Id=8;ReceiptHandle=r8;|Id=9;ReceiptHandle=r9;|Id=10;ReceiptHandle=r10;|]"},
    {AMP_SQS_DELETE_QUEUE,
     "AmazonSQS.DeleteQueue",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\"}",
     "Action=DeleteQueue&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_GET_QUEUE_ATTRIBUTES,
     "AmazonSQS.GetQueueAttributes",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"AttributeNames\": [\"All\", \"QueueArn\"]}",
     "Action=GetQueueAttributes&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&AttributeName.1=All&AttributeName.2=QueueArn",
     "QueueUrl=https://localhost:8443/000000000000/payments;AttributeNames[All,QueueArn,]"},
    {AMP_SQS_GET_QUEUE_URL,
     "AmazonSQS.GetQueueUrl",
     "{\"QueueName\": \"payments\", \"QueueOwnerAWSAccountId\": \"000000000000\"}",
     "Action=GetQueueUrl&Version=2012-11-05&QueueName=payments&QueueOwnerAWSAccountId=000000000000",
     "QueueName=payments;QueueOwnerAWSAccountId=000000000000;"},
    {AMP_SQS_LIST_DEAD_LETTER_SOURCE_QUEUES,
     "AmazonSQS.ListDeadLetterSourceQueues",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"NextToken\": \"t\", \"MaxResults\": 7}",
     "Action=ListDeadLetterSourceQueues&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&NextToken=t&MaxResults=7",
     "QueueUrl=https://localhost:8443/000000000000/payments;NextToken=t;MaxResults=7;"},
    {AMP_SQS_LIST_MESSAGE_MOVE_TASKS,
     "AmazonSQS.ListMessageMoveTasks",
     "{\"SourceArn\": \"arn:aws:sqs:us-east-1:000000000000:dead\", \"MaxResults\": 10}",
     "Action=ListMessageMoveTasks&Version=2012-11-05&SourceArn=arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Adead&MaxResults=10",
     "SourceArn=arn:aws:sqs:us-east-1:000000000000:dead;MaxResults=10;"},
    {AMP_SQS_LIST_QUEUE_TAGS,
     "AmazonSQS.ListQueueTags",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\"}",
     "Action=ListQueueTags&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_LIST_QUEUES,
     "AmazonSQS.ListQueues",
     "{}",
     "Action=ListQueues&Version=2012-11-05",
     ""},
    {AMP_SQS_LIST_QUEUES,
     "AmazonSQS.ListQueues",
     "{\"QueueNamePrefix\": \"pay\", \"NextToken\": \"cGF5\", \"MaxResults\": 1000}",
     "Action=ListQueues&Version=2012-11-05&QueueNamePrefix=pay&NextToken=cGF5&MaxResults=1000",
     "QueueNamePrefix=pay;NextToken=cGF5;MaxResults=1000;"},
    {AMP_SQS_PURGE_QUEUE,
     "AmazonSQS.PurgeQueue",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\"}",
     "Action=PurgeQueue&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_RECEIVE_MESSAGE,
     "AmazonSQS.ReceiveMessage",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\"}",
     "Action=ReceiveMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_RECEIVE_MESSAGE,
     "AmazonSQS.ReceiveMessage",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"AttributeNames\": [\"All\"], \"MessageAttributeNames\": [\"city\", \"bar.*\"], \"MaxNumberOfMessages\": 10, \"VisibilityTimeout\": 30, \"WaitTimeSeconds\": 20, \"ReceiveRequestAttemptId\": \"again\"}",
     "Action=ReceiveMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&AttributeName.1=All&MessageAttributeName.1=city&MessageAttributeName.2=bar.%2A&MaxNumberOfMessages=10&VisibilityTimeout=30&WaitTimeSeconds=20&ReceiveRequestAttemptId=again",
     "QueueUrl=https://localhost:8443/000000000000/payments;ReceiveRequestAttemptId=again;MaxNumberOfMessages=10;WaitTimeSeconds=20;AttributeNames[All,]MessageAttributeNames[city,bar.*,]VisibilityTimeout=30;"},
    {AMP_SQS_REMOVE_PERMISSION,
     "AmazonSQS.RemovePermission",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Label\": \"l\"}",
     "Action=RemovePermission&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&Label=l",
     "QueueUrl=https://localhost:8443/000000000000/payments;"},
    {AMP_SQS_SEND_MESSAGE,
     "AmazonSQS.SendMessage",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"MessageBody\": \"caf\\u00e9 & \\\"quotes\\\" <b> + 100%\\n\\ttab=1;\\u20ac\"}",
     "Action=SendMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&MessageBody=caf%C3%A9+%26+%22quotes%22+%3Cb%3E+%2B+100%25%0A%09tab%3D1%3B%E2%82%AC",
     "QueueUrl=https://localhost:8443/000000000000/payments;MessageBody=caf\303\251 & \"quotes\" <b> + 100%\012\011tab=1;\342\202\254;"},
    {AMP_SQS_SEND_MESSAGE,
     "AmazonSQS.SendMessage",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"MessageBody\": \"caf\\u00e9 & \\\"quotes\\\" <b> + 100%\\n\\ttab=1;\\u20ac\", \"DelaySeconds\": 900, \"MessageAttributes\": {\"city\": {\"DataType\": \"String\", \"StringValue\": \"Z\\u00fcrich & \\ud83d\\ude00\"}, \"weight\": {\"DataType\": \"Number.kg\", \"StringValue\": \"-12.5e3\"}, \"picture\": {\"DataType\": \"Binary.png\", \"BinaryValue\": \"iVBORw0KGgoA/w==\"}}, \"MessageSystemAttributes\": {\"AWSTraceHeader\": {\"DataType\": \"String\", \"StringValue\": \"Root=1-5e3d83c1-e6a0db584850d61342823d4c\"}}, \"MessageDeduplicationId\": \"d-1\", \"MessageGroupId\": \"g\"}",
     "Action=SendMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&MessageBody=caf%C3%A9+%26+%22quotes%22+%3Cb%3E+%2B+100%25%0A%09tab%3D1%3B%E2%82%AC&DelaySeconds=900&MessageAttribute.1.Name=city&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=Z%C3%BCrich+%26+%F0%9F%98%80&MessageAttribute.2.Name=weight&MessageAttribute.2.Value.DataType=Number.kg&MessageAttribute.2.Value.StringValue=-12.5e3&MessageAttribute.3.Name=picture&MessageAttribute.3.Value.DataType=Binary.png&MessageAttribute.3.Value.BinaryValue=iVBORw0KGgoA%2Fw%3D%3D&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.DataType=String&MessageSystemAttribute.1.Value.StringValue=Root%3D1-5e3d83c1-e6a0db584850d61342823d4c&MessageDeduplicationId=d-1&MessageGroupId=g",
     "QueueUrl=https://localhost:8443/000000000000/payments;MessageBody=caf\303\251 & \"quotes\" <b> + 100%\012\011tab=1;\342\202\254;MessageGroupId=g;MessageDeduplicationId=d-1;DelaySeconds=900;MessageAttributes{city(String)=Z\303\274rich & \360\237\230\200,weight(Number.kg)=-12.5e3,picture(Binary.png)=89504e470d0a1a0a00ff,}MessageSystemAttributes{AWSTraceHeader(String)=Root=1-5e3d83c1-e6a0db584850d61342823d4c,}"},
    {AMP_SQS_SEND_MESSAGE_BATCH,
     "AmazonSQS.SendMessageBatch",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Entries\": [{\"Id\": \"one\", \"MessageBody\": \"1\", \"DelaySeconds\": 0}, {\"Id\": \"two\", \"MessageBody\": \"caf\\u00e9 & \\\"quotes\\\" <b> + 100%\\n\\ttab=1;\\u20ac\", \"MessageAttributes\": {\"city\": {\"DataType\": \"String\", \"StringValue\": \"Z\\u00fcrich & \\ud83d\\ude00\"}, \"weight\": {\"DataType\": \"Number.kg\", \"StringValue\": \"-12.5e3\"}, \"picture\": {\"DataType\": \"Binary.png\", \"BinaryValue\": \"iVBORw0KGgoA/w==\"}}, \"MessageSystemAttributes\": {\"AWSTraceHeader\": {\"DataType\": \"String\", \"StringValue\": \"Root=1-5e3d83c1-e6a0db584850d61342823d4c\"}}, \"MessageGroupId\": \"g\"}, {\"Id\": \"three\", \"MessageBody\": \"3\", \"MessageDeduplicationId\": \"d\"}]}",
     "Action=SendMessageBatch&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&SendMessageBatchRequestEntry.1.Id=one&SendMessageBatchRequestEntry.1.MessageBody=1&SendMessageBatchRequestEntry.1.DelaySeconds=0&SendMessageBatchRequestEntry.2.Id=two&SendMessageBatchRequestEntry.2.MessageBody=caf%C3%A9+%26+%22quotes%22+%3Cb%3E+%2B+100%25%0A%09tab%3D1%3B%E2%82%AC&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=city&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=String&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=Z%C3%BCrich+%26+%F0%9F%98%80&SendMessageBatchRequestEntry.2.MessageAttribute.2.Name=weight&SendMessageBatchRequestEntry.2.MessageAttribute.2.Value.DataType=Number.kg&SendMessageBatchRequestEntry.2.MessageAttribute.2.Value.StringValue=-12.5e3&SendMessageBatchRequestEntry.2.MessageAttribute.3.Name=picture&SendMessageBatchRequestEntry.2.MessageAttribute.3.Value.DataType=Binary.png&SendMessageBatchRequestEntry.2.MessageAttribute.3.Value.BinaryValue=iVBORw0KGgoA%2Fw%3D%3D&SendMessageBatchRequestEntry.2.MessageSystemAttribute.1.Name=AWSTraceHeader&SendMessageBatchRequestEntry.2.MessageSystemAttribute.1.Value.DataType=String&SendMessageBatchRequestEntry.2.MessageSystemAttribute.1.Value.StringValue=Root%3D1-5e3d83c1-e6a0db584850d61342823d4c&SendMessageBatchRequestEntry.2.MessageGroupId=g&SendMessageBatchRequestEntry.3.Id=three&SendMessageBatchRequestEntry.3.MessageBody=3&SendMessageBatchRequestEntry.3.MessageDeduplicationId=d",
     "QueueUrl=https://localhost:8443/000000000000/payments;Entries[Id=one;MessageBody=1;DelaySeconds=0;|Id=two;MessageBody=caf\303\251 & \"quotes\" <b> + 100%\012\011tab=1;\342\202\254;MessageGroupId=g;MessageAttributes{city(String)=Z\303\274rich & \360\237\230\200,weight(Number.kg)=-12.5e3,picture(Binary.png)=89504e470d0a1a0a00ff,}MessageSystemAttributes{AWSTraceHeader(String)=Root=1-5e3d83c1-e6a0db584850d61342823d4c,}|Id=three;MessageBody=3;MessageDeduplicationId=d;|]"},
    {AMP_SQS_SET_QUEUE_ATTRIBUTES,
     "AmazonSQS.SetQueueAttributes",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Attributes\": {\"VisibilityTimeout\": \"45\"}}",
     "Action=SetQueueAttributes&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=45",
     "QueueUrl=https://localhost:8443/000000000000/payments;Attributes{VisibilityTimeout=45,}"},
    {AMP_SQS_START_MESSAGE_MOVE_TASK,
     "AmazonSQS.StartMessageMoveTask",
     "{\"SourceArn\": \"arn:aws:sqs:us-east-1:000000000000:dead\", \"DestinationArn\": \"arn:aws:sqs:us-east-1:000000000000:live\", \"MaxNumberOfMessagesPerSecond\": 500}",
     "Action=StartMessageMoveTask&Version=2012-11-05&SourceArn=arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Adead&DestinationArn=arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Alive&MaxNumberOfMessagesPerSecond=500",
     "SourceArn=arn:aws:sqs:us-east-1:000000000000:dead;DestinationArn=arn:aws:sqs:us-east-1:000000000000:live;MaxNumberOfMessagesPerSecond=500;"},
    {AMP_SQS_TAG_QUEUE,
     "AmazonSQS.TagQueue",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"Tags\": {\"k\": \"v\", \"Owner\": \"\\u00c5sa\"}}",
     "Action=TagQueue&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&Tag.1.Key=k&Tag.1.Value=v&Tag.2.Key=Owner&Tag.2.Value=%C3%85sa",
     "QueueUrl=https://localhost:8443/000000000000/payments;Tags{k=v,Owner=\303\205sa,}"},
    {AMP_SQS_UNTAG_QUEUE,
     "AmazonSQS.UntagQueue",
     "{\"QueueUrl\": \"https://localhost:8443/000000000000/payments\", \"TagKeys\": [\"k\", \"Owner\"]}",
     "Action=UntagQueue&Version=2012-11-05&QueueUrl=https%3A%2F%2Flocalhost%3A8443%2F000000000000%2Fpayments&TagKey.1=k&TagKey.2=Owner",
     "QueueUrl=https://localhost:8443/000000000000/payments;TagKeys[k,Owner,]"},
};

static const struct golden_digest golden_digests[] = {
    {"bef8bf215374a0a228d67533b1a488be", 1, {
        {GOLDEN("a"), GOLDEN("String"), GOLDEN("b"), false},
    }},
    {"235c5c510d26fb653d073faed50ae77c", 1, {
        {GOLDEN("timestamp"), GOLDEN("Number"), GOLDEN("1493147359900"), false},
    }},
    {"81647240d2090e687c76bd9be52d880f", 1, {
        {GOLDEN("blob"), GOLDEN("Binary"), GOLDEN("\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037 !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\177\200\201\202\203\204\205\206\207\210\211\212\213\214\215\216\217\220\221\222\223\224\225\226\227\230\231\232\233\234\235\236\237\240\241\242\243\244\245\246\247\250\251\252\253\254\255\256\257\260\261\262\263\264\265\266\267\270\271\272\273\274\275\276\277\300\301\302\303\304\305\306\307\310\311\312\313\314\315\316\317\320\321\322\323\324\325\326\327\330\331\332\333\334\335\336\337\340\341\342\343\344\345\346\347\350\351\352\353\354\355\356\357\360\361\362\363\364\365\366\367\370\371\372\373\374\375\376\377"), true},
    }},
    {"07aa63dd06f2c23cc90c34b3208caa40", 7, {
        {GOLDEN("z"), GOLDEN("String"), GOLDEN("1"), false},
        {GOLDEN("a"), GOLDEN("String"), GOLDEN("2"), false},
        {GOLDEN("Z"), GOLDEN("String"), GOLDEN("3"), false},
        {GOLDEN("a.b"), GOLDEN("String"), GOLDEN("4"), false},
        {GOLDEN("a-b"), GOLDEN("String"), GOLDEN("5"), false},
        {GOLDEN("a_b"), GOLDEN("String"), GOLDEN("6"), false},
        {GOLDEN("ab"), GOLDEN("String"), GOLDEN("7"), false},
    }},
    {"a8c20df2236381b4ac4d84b085c0b26b", 3, {
        {GOLDEN("city"), GOLDEN("String"), GOLDEN("Z\303\274rich & \360\237\230\200"), false},
        {GOLDEN("weight"), GOLDEN("Number.kg"), GOLDEN("-12.5e3"), false},
        {GOLDEN("picture"), GOLDEN("Binary.png"), GOLDEN("\211PNG\015\012\032\012\000\377"), true},
    }},
    {"6472ca59cc502acef6ee773ee630483f", 1, {
        {GOLDEN("AWSTraceHeader"), GOLDEN("String"), GOLDEN("Root=1-5e3d83c1-e6a0db584850d61342823d4c"), false},
    }},
    {"67f7bc152734c0cf242b7a1cc9ce2097", 3, {
        {GOLDEN("label"), GOLDEN("String.some-label_1"), GOLDEN("\320\226 \360\237\222\243"), false},
        {GOLDEN("n"), GOLDEN("Number.int"), GOLDEN("0"), false},
        {GOLDEN("b"), GOLDEN("Binary.gif"), GOLDEN("\000"), true},
    }},
    {"9f57ef89d3839b93b7f207bd7c88a3d1", 10, {
        {GOLDEN("name1"), GOLDEN("String"), GOLDEN("x"), false},
        {GOLDEN("name2"), GOLDEN("String"), GOLDEN("xx"), false},
        {GOLDEN("name3"), GOLDEN("String"), GOLDEN("xxx"), false},
        {GOLDEN("name4"), GOLDEN("String"), GOLDEN("xxxx"), false},
        {GOLDEN("name5"), GOLDEN("String"), GOLDEN("xxxxx"), false},
        {GOLDEN("name6"), GOLDEN("String"), GOLDEN("xxxxxx"), false},
        {GOLDEN("name7"), GOLDEN("String"), GOLDEN("xxxxxxx"), false},
        {GOLDEN("name8"), GOLDEN("String"), GOLDEN("xxxxxxxx"), false},
        {GOLDEN("name9"), GOLDEN("String"), GOLDEN("xxxxxxxxx"), false},
        {GOLDEN("name10"), GOLDEN("String"), GOLDEN("xxxxxxxxxx"), false},
    }},
};

static const struct golden_answer golden_delete_message = {
    "{}",
    "<DeleteMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DeleteMessageResponse>"};

static const struct golden_answer golden_create_queue = {
    "{\"QueueUrl\":\"https://localhost:8443/000000000000/payments\"}",
    "<CreateQueueResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><CreateQueueResult><QueueUrl>https://localhost:8443/000000000000/payments</QueueUrl></CreateQueueResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></CreateQueueResponse>"};

static const struct golden_answer golden_list_queues = {
    "{\"QueueUrls\":[\"https://localhost:8443/000000000000/payments\",\"https://localhost:8443/000000000000/payments2\"],\"NextToken\":\"t\"}",
    "<ListQueuesResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ListQueuesResult><QueueUrl>https://localhost:8443/000000000000/payments</QueueUrl><QueueUrl>https://localhost:8443/000000000000/payments2</QueueUrl><NextToken>t</NextToken></ListQueuesResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListQueuesResponse>"};

static const struct golden_answer golden_get_queue_attributes = {
    "{\"Attributes\":{\"DelaySeconds\":\"0\",\"Policy\":\"{\\\"a\\\":\\\"<&>\\\"}\"}}",
    "<GetQueueAttributesResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><GetQueueAttributesResult><Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute><Attribute><Name>Policy</Name><Value>{&quot;a&quot;:&quot;&lt;&amp;&gt;&quot;}</Value></Attribute></GetQueueAttributesResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetQueueAttributesResponse>"};

static const struct golden_answer golden_list_queue_tags = {
    "{\"Tags\":{\"a\\\"b\":\"c\"}}",
    "<ListQueueTagsResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ListQueueTagsResult><Tag><Key>a&quot;b</Key><Value>c</Value></Tag></ListQueueTagsResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListQueueTagsResponse>"};

static const struct golden_answer golden_send_message = {
    "{\"MD5OfMessageBody\":\"00112233445566778899aabbccddeeff\",\"MessageId\":\"id-1\",\"SequenceNumber\":\"18\"}",
    "<SendMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><SendMessageResult><MD5OfMessageBody>00112233445566778899aabbccddeeff</MD5OfMessageBody><MessageId>id-1</MessageId><SequenceNumber>18</SequenceNumber></SendMessageResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></SendMessageResponse>"};

static const struct golden_answer golden_send_message_batch = {
    "{\"Successful\":[{\"Id\":\"a\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"00112233445566778899aabbccddeeff\"}],\"Failed\":[{\"Id\":\"b\",\"SenderFault\":true,\"Code\":\"InvalidMessageContents\",\"Message\":\"no\"}]}",
    "<SendMessageBatchResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><SendMessageBatchResult><SendMessageBatchResultEntry><Id>a</Id><MessageId>m</MessageId><MD5OfMessageBody>00112233445566778899aabbccddeeff</MD5OfMessageBody></SendMessageBatchResultEntry><BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault><Code>InvalidMessageContents</Code><Message>no</Message></BatchResultErrorEntry></SendMessageBatchResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></SendMessageBatchResponse>"};

static const struct golden_answer golden_receive_nothing = {
    "{}",
    "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult></ReceiveMessageResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ReceiveMessageResponse>"};

static const struct golden_answer golden_receive_message = {
    "{\"Messages\":[{\"MessageId\":\"m1\",\"Body\":\"a\\u000d\\u000ab\\u0009<&>\\\"'\342\202\254\",\"MD5OfBody\":\"00112233445566778899aabbccddeeff\",\"Attributes\":{\"SenderId\":\"AKIA\",\"ApproximateReceiveCount\":\"1\"},\"MessageAttributes\":{\"s\":{\"StringValue\":\"x\\u000dy\",\"DataType\":\"String\"},\"b\":{\"BinaryValue\":\"AAH/\",\"DataType\":\"Binary.png\"}}},{\"MessageId\":\"m2\",\"Body\":\"\"}]}",
    "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult><Message><MessageId>m1</MessageId><Body>a&#xD;\012b\011&lt;&amp;&gt;&quot;'\342\202\254</Body><MD5OfBody>00112233445566778899aabbccddeeff</MD5OfBody><Attribute><Name>SenderId</Name><Value>AKIA</Value></Attribute><Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute><MessageAttribute><Name>s</Name><Value><StringValue>x&#xD;y</StringValue><DataType>String</DataType></Value></MessageAttribute><MessageAttribute><Name>b</Name><Value><BinaryValue>AAH/</BinaryValue><DataType>Binary.png</DataType></Value></MessageAttribute></Message><Message><MessageId>m2</MessageId><Body></Body></Message></ReceiveMessageResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ReceiveMessageResponse>"};

static const struct golden_answer golden_list_message_move_tasks = {
    "{\"Results\":[{\"TaskHandle\":\"h\",\"Status\":\"RUNNING\",\"ApproximateNumberOfMessagesMoved\":0,\"StartedTimestamp\":1700000000123}]}",
    "<ListMessageMoveTasksResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ListMessageMoveTasksResult><ListMessageMoveTasksResultEntry><TaskHandle>h</TaskHandle><Status>RUNNING</Status><ApproximateNumberOfMessagesMoved>0</ApproximateNumberOfMessagesMoved><StartedTimestamp>1700000000123</StartedTimestamp></ListMessageMoveTasksResultEntry></ListMessageMoveTasksResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListMessageMoveTasksResponse>"};

/* clang-format on */
